# Pollux. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CLUSTER := e2e/cluster/cluster

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## a real cluster on this machine with a simulated boiler line, live (or $KUBECONFIG's cluster, with REGISTRY=…)
	@scripts/demo

demo-down: ## end the demo; nothing is left behind
	@scripts/demo --down

test: ## everything that CI runs; TEST="unit chart" runs those parts only
	@scripts/test $(TEST)

cluster-up: ## a real Kubernetes on this machine; prints how to reach it (NODES=2, NAME=dev)
	@$(CLUSTER) --name $(or $(NAME),dev) up $(if $(NODES),--nodes $(NODES))

cluster-down: ## end it; nothing is left behind
	@$(CLUSTER) --name $(or $(NAME),dev) down

images: ## static images in dist/
	@scripts/images

generate: ## manifests and reference pages from the types
	@cargo xtask generate

bench: ## measurements of bench/, which takes an hour; `bench/run --row NAME` is one of them
	@bench/run

.PHONY: help demo demo-down test cluster-up cluster-down images generate bench
