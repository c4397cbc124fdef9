"""The one place where concrete classes meet: everything is built here, from Settings."""
