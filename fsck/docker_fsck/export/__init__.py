"""Gets a container's own data out of a root: what belongs to it, how its driver spells a deletion, and the tar; reads only."""
