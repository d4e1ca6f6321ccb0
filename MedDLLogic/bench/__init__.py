"""The engine against others: the same network, weights, volume and windows, in turns, each in a process of its own."""
