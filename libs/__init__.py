"""What two or more services share; each package knows one thing."""
