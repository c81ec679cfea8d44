"""Everything that speaks the Chrome DevTools Protocol."""
