"""What an attempt is made of, and what is typed into its session."""
