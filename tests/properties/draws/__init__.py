"""Commands drawn with the state at hand, a module for each part of the state: of blindly drawn ones few would
ever apply."""
