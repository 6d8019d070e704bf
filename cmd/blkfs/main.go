// Command blkfs mounts a directory over FUSE and tells which cgroup did how much
// of its I/O.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "devel"

func main() {
	cmd := rootCommand()
	switch err := cmd.Execute(); {
	case err == nil:
	case errors.Is(err, errTold):
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "blkfs:", err)
		os.Exit(1)
	}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "blkfs",
		Short: "Who does the I/O below this directory? A FUSE passthrough with cgroup accounting",
		Long: `blkfs mounts a directory over FUSE, charges every read and write to the cgroup of
its caller, and shows the figures in the kernel's own file formats below
MOUNTPOINT/.blkfs. It works where the kernel's blkio and io controllers see
nothing: NFS, CephFS, tmpfs, overlay, one directory of a shared disk.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(mountCommand(), umountCommand(), statCommand(), versionCommand())
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), "blkfs", versionString())
		},
	}
}

// versionString is what the linker was given, else what go install knows.
func versionString() string {
	if info, ok := debug.ReadBuildInfo(); ok && version == "devel" && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return version
}
