"""The decisions of administrators for a domain: policy, lists, keyword and logic rules, and their storage."""
