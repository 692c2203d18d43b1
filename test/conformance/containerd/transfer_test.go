// Moves images with containerd's own client of transfers and streams through a store that dray serves.
package conformance

import (
	"bytes"
	"context"
	"io"
	"os"
	"testing"

	streamproxy "github.com/containerd/containerd/v2/core/streaming/proxy"
	"github.com/containerd/containerd/v2/core/transfer"
	"github.com/containerd/containerd/v2/core/transfer/archive"
	"github.com/containerd/containerd/v2/core/transfer/image"
	transferproxy "github.com/containerd/containerd/v2/core/transfer/proxy"
	"github.com/containerd/containerd/v2/core/transfer/registry"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// The archive has one image, of that name.
const imageName = "example.com/app:1"

func TestTransfer(t *testing.T) {
	conn, err := grpc.NewClient("unix://"+os.Getenv("TRANSFER_SOCKET"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := namespaces.WithNamespace(context.Background(), "default")
	client := transferproxy.NewTransferrer(conn, streamproxy.NewStreamCreator(conn))
	packed, err := os.ReadFile(os.Getenv("TRANSFER_ARCHIVE"))
	if err != nil {
		t.Fatal(err)
	}
	move := func(t *testing.T, from, to any) {
		t.Helper()
		if err := client.Transfer(ctx, from, to, transfer.WithProgress(func(transfer.Progress) {})); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("Import", func(t *testing.T) {
		// What is no file is not known by its length.
		source := archive.NewImageImportStream(io.MultiReader(bytes.NewReader(packed)), "")
		move(t, source, image.NewStore("", image.WithNamedPrefix("import", true)))
	})
	t.Run("Tag", func(t *testing.T) {
		move(t, image.NewStore(imageName), image.NewStore("tagged"))
	})
	t.Run("PushAndPull", func(t *testing.T) {
		reference := os.Getenv("TRANSFER_REFERENCE")
		there, err := registry.NewOCIRegistry(ctx, reference, registry.WithDefaultScheme("http"), registry.WithCredentials(credentials{}))
		if err != nil {
			t.Fatal(err)
		}
		move(t, image.NewStore("tagged"), there)
		move(t, there, image.NewStore("pulled", image.WithAllMetadata))
	})
	t.Run("Export", func(t *testing.T) {
		written := &collected{closed: make(chan struct{})}
		target := archive.NewImageExportStream(written, "", archive.WithAllPlatforms)
		move(t, image.NewStore("", image.WithExtraReference(imageName)), target)
		<-written.closed
		if !bytes.Equal(written.Bytes(), packed) {
			t.Fatalf("%d bytes were exported, and are not the %d that were imported", written.Len(), len(packed))
		}
	})
}

type credentials struct{}

func (credentials) GetCredentials(_ context.Context, _, host string) (registry.Credentials, error) {
	return registry.Credentials{Host: host, Username: "ci", Secret: "secret"}, nil
}

type collected struct {
	bytes.Buffer
	closed chan struct{}
}

func (c *collected) Close() error {
	close(c.closed)
	return nil
}
