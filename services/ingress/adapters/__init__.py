"""Everything with a socket."""
