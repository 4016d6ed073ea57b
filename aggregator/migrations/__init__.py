"""How the store came to be as it is: one file in `versions` for each step, forward and back."""
