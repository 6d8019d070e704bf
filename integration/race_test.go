//go:build race

package integration

// raceEnabled has the command built with the race detector, as the tests are.
const raceEnabled = true
