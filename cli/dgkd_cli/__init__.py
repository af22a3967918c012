"""The command line of dgkd-cache."""
