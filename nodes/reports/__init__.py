"""Images and tables that nodes show."""
