"""Where the space of a data root is: whose each folder is, a count by several processes, and the sums; below the command line."""
