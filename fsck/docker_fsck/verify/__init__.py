"""Deep verification: is a layer's content still what its diff id says (classic-store 6)."""
