"""What is kept on disk: versioned schemas of results and certificates, atomic writes, locks."""
