"""Many machines: reading, splitting and encoding as Ray tasks, kept in a Lance dataset; an index made from it."""

from tellapart.cluster.assemble import assemble
from tellapart.cluster.build import ClusterReport, build_dataset
from tellapart.cluster.dataset import Recipe
from tellapart.cluster.files import address_of, is_dataset
from tellapart.cluster.grid import GridOnCluster
from tellapart.cluster.ray import Cluster

__all__ = [
    "Cluster",
    "ClusterReport",
    "GridOnCluster",
    "Recipe",
    "address_of",
    "assemble",
    "build_dataset",
    "is_dataset",
]
