"""What one event costs the page, beside other libraries."""
