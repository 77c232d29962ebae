"""What engines say when their store is damaged: which text means what; data and its matching."""
