"""The dashboard: pages that a browser shows as they lie here (no build step), and what they ask beyond the API for all."""
