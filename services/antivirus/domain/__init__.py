"""What can be seen in octets, and what becomes of a message in which it was seen."""
