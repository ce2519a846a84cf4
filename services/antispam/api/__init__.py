"""HTTP of antispam: parse, call, respond. One file a resource."""
