"""What a question asks for: what is meant, in how many parts, of which documents."""
