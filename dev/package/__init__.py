"""The pack as users get it: archived, validated, scanned and installed into a fresh host."""
