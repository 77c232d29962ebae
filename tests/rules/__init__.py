"""The tables of all rules, and the laws over them."""
