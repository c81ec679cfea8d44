"""The Chrome DevTools Protocol; all other packages are independent of it."""
