"""What outlives the process: RDB and AOF files."""
