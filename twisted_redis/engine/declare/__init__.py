"""How commands are declared: the table, flags, key specifications, documentation."""
