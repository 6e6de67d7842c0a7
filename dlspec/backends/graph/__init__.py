"""The picture of a network: SVG, PNG, DOT and Mermaid."""
