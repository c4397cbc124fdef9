"""Wake, claim, hand to the executor, keep within capacity, drain."""
