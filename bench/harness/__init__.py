"""What the plugin costs the tester: virtual time, the gateway, collection, import."""
