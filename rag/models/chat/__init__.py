"""What comes back from chat models, made usable: thinking apart, JSON checked."""
