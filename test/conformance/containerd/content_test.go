// Runs containerd's own suite of content stores against a store that dray serves.
package conformance

import (
	"context"
	_ "crypto/sha512"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	leasesapi "github.com/containerd/containerd/api/services/leases/v1"
	namespacesapi "github.com/containerd/containerd/api/services/namespaces/v1"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/content/proxy"
	"github.com/containerd/containerd/v2/core/content/testsuite"
	"github.com/containerd/containerd/v2/core/leases"
	leasesproxy "github.com/containerd/containerd/v2/core/leases/proxy"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// What containerd's clients set; more than the defaults of grpc-go.
const largestMessage = 16 << 20

const shareableLabel = "containerd.io/namespace.shareable"

func TestContent(t *testing.T) {
	testsuite.ContentSuite(t, "content", servedAt(t, "SHARED_SOCKET"))
}

func TestShared(t *testing.T) {
	testsuite.ContentCrossNSSharedSuite(t, "shared", servedAt(t, "SHARED_SOCKET"))
}

func TestIsolated(t *testing.T) {
	testsuite.ContentCrossNSIsolatedSuite(t, "isolated", servedAt(t, "ISOLATED_SOCKET"))
}

func TestShareable(t *testing.T) {
	testsuite.ContentSharedNSIsolatedSuite(t, "shareable", servedAt(t, "ISOLATED_SOCKET"))
}

// Every test has namespaces of its own, each with a lease, as containerd's test of its own daemon has.
func servedAt(t *testing.T, variable string) testsuite.StoreInitFn {
	socket := os.Getenv(variable)
	if socket == "" {
		t.Fatalf("%s has to name the socket of an empty store", variable)
	}
	var count atomic.Uint64
	return func(ctx context.Context, _ string) (context.Context, content.Store, func() error, error) {
		conn, err := grpc.NewClient("unix://"+socket,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(
				grpc.MaxCallRecvMsgSize(largestMessage), grpc.MaxCallSendMsgSize(largestMessage)))
		if err != nil {
			return nil, nil, nil, err
		}
		suite := testsuite.Name(ctx)
		wrap := func(ctx context.Context, shareable bool) (context.Context, func(context.Context) error, error) {
			name := fmt.Sprintf("%s-n%d", suite, count.Add(1))
			return inNamespace(ctx, conn, name, shareable)
		}
		return testsuite.SetContextWrapper(ctx, wrap), proxy.NewContentStore(conn), conn.Close, nil
	}
}

func inNamespace(ctx context.Context, conn *grpc.ClientConn, name string, shareable bool) (
	context.Context, func(context.Context) error, error) {
	ctx = namespaces.WithNamespace(ctx, name)
	if shareable {
		request := &namespacesapi.CreateNamespaceRequest{Namespace: &namespacesapi.Namespace{
			Name: name, Labels: map[string]string{shareableLabel: "true"},
		}}
		if _, err := namespacesapi.NewNamespacesClient(conn).Create(ctx, request); err != nil {
			return nil, nil, err
		}
	}
	manager := leasesproxy.NewLeaseManager(leasesapi.NewLeasesClient(conn))
	lease, err := manager.Create(ctx, leases.WithRandomID())
	if err != nil {
		return nil, nil, err
	}
	end := func(ctx context.Context) error { return manager.Delete(ctx, lease) }
	return leases.WithLease(ctx, lease.ID), end, nil
}
