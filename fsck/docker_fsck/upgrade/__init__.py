"""What engines of other versions make of a data root: versions, what changes with them, which store they open; pure."""
