"""A plan file: read, validated, and divided into units and shares."""
