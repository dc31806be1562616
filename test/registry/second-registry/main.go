// A registry that is not docker's: the one in go-containerregistry's library, all of it in memory.
//
//	second-registry -address HOST:PORT [-referrers]
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	address := flag.String("address", "", "where to listen")
	referrers := flag.Bool("referrers", false, "answer which manifests have a subject")
	flag.Parse()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(*referrers))
	fmt.Fprintln(os.Stderr, "second-registry:", http.ListenAndServe(*address, handler))
	os.Exit(1)
}
