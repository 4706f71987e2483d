module glance-revert.invalid/example

go 1.23

require glance-revert.invalid/client v0.0.0

replace glance-revert.invalid/client => ./client
