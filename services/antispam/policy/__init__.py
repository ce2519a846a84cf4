"""What a domain decided: policy, lists, keywords, rules, patterns; and where that is stored."""
