"""What is damaged in a store, and what vouches for the rest."""
