"""For authors of rules: whole data roots and damage (`builder`), tables of rules (`table`), the laws over them (`laws`)."""
