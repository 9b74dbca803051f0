"""Offers deployments to agents as tools, by the Model Context Protocol. A face: a deployment does not need it."""
