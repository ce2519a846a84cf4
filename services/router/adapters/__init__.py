"""MongoDB (schema, changes, domains, addresses, routes, credentials), Argon2id, and the way of events to the bus."""
