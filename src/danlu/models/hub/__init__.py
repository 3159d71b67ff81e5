"""Models in the Hugging Face layout, read and written: config.json and safetensors, without any code of theirs."""
