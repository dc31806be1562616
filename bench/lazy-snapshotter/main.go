// A lazily pulling snapshotter: stargz-snapshotter's library, served to containerd on a Unix socket as a proxy
// plugin. Debian packages the library and no daemon.
//
//	lazy-snapshotter -address SOCKET -root FOLDER [-no-background-fetch]
//
// All else is as the library has it by default. Registries are anonymous; those on this machine speak plain http.
// SIGINT and SIGTERM unmount every layer and end it.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/contrib/snapshotservice"
	"github.com/containerd/containerd/reference"
	"github.com/containerd/containerd/remotes/docker"
	"github.com/containerd/stargz-snapshotter/fs"
	"github.com/containerd/stargz-snapshotter/fs/config"
	"github.com/containerd/stargz-snapshotter/fs/source"
	"github.com/containerd/stargz-snapshotter/snapshot"
	"google.golang.org/grpc"
)

func main() {
	address := flag.String("address", "", "path of the socket to listen at")
	root := flag.String("root", "", "folder for snapshots and caches")
	noBackgroundFetch := flag.Bool("no-background-fetch", false, "fetch nothing but what is prefetched or read")
	flag.Parse()
	if *address == "" || *root == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "usage: lazy-snapshotter -address SOCKET -root FOLDER [-no-background-fetch]")
		os.Exit(2)
	}
	settings := config.Config{NoPrometheus: true, NoBackgroundFetch: *noBackgroundFetch}
	if err := serve(*address, *root, settings); err != nil {
		fmt.Fprintln(os.Stderr, "lazy-snapshotter:", err)
		os.Exit(1)
	}
}

func serve(address, root string, settings config.Config) error {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	lazy, err := fs.NewFilesystem(filepath.Join(root, "layers"), settings,
		fs.WithGetSources(source.FromDefaultLabels(hosts())))
	if err != nil {
		return err
	}
	snapshotter, err := snapshot.NewSnapshotter(context.Background(), filepath.Join(root, "snapshotter"), lazy)
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	snapshotsapi.RegisterSnapshotsServer(server, snapshotservice.FromSnapshotter(snapshotter))
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ended:
	}
	server.Stop()
	// Closing unmounts.
	return snapshotter.Close()
}

// The library takes its registry clients as they are: without one it would fail at the first request.
func hosts() source.RegistryHosts {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = runtime.GOMAXPROCS(0) + 1
	registries := docker.ConfigureDefaultRegistries(
		docker.WithPlainHTTP(docker.MatchLocalhost),
		docker.WithClient(&http.Client{Transport: transport}),
	)
	return func(image reference.Spec) ([]docker.RegistryHost, error) { return registries(image.Hostname()) }
}
