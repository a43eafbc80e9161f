"""The version of the pack, written into every erasure file."""

VERSION = "0.1.0"
