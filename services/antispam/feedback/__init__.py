"""What people and traps teach: training by moves and mail, honeypots, and the screening of recipients at RCPT."""
