"""What a filter reads of a message: content, envelope, tokens, domains, trace fields; and the report that it makes."""
