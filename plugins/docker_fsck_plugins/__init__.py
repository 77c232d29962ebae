"""The built-in plugins: rules, drivers and stores. They import `docker_fsck.api` and nothing else of the core."""
