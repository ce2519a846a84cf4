"""What a filter may read of a message: content, view, tokens, report; nothing here asks the network."""
