"""MongoDB, a file a concern, and the quota service over HTTP."""
