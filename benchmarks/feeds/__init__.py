"""Sources of benchmarks, found beside the pipeline's own once `pipeline.sources` is told of this folder."""
