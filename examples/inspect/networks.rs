//! Networks by the names of their parameters.

/// A network, names that it has, and a part of names that others with them have.
struct Known {
    network: &'static str,
    has: &'static [&'static str],
    lacks: &'static [&'static str],
}

/// Names are those of state dicts; a `*` at an end stands for anything.
const KNOWN: [Known; 10] = [
    Known {
        network: "UNet of advect-models: torchcfm's and guided-diffusion's UNetModel",
        has: &[
            "time_embed.0.weight",
            "input_blocks.0.0.weight",
            "middle_block.0.in_layers.0.weight",
            "out.2.weight",
        ],
        lacks: &[],
    },
    Known {
        network: "SiT or DiT, as their authors call the parameters",
        has: &[
            "x_embedder.proj.weight",
            "t_embedder.mlp.0.weight",
            "blocks.0.adaLN_modulation.1.weight",
            "final_layer.linear.weight",
        ],
        lacks: &[],
    },
    Known {
        network: "EDM's SongUNet",
        has: &["*map_layer0.weight", "*_conv.weight", "*_aux_conv.weight"],
        lacks: &["out_conv"],
    },
    Known {
        network: "EDM's DhariwalUNet",
        has: &["*map_layer0.weight", "*_conv.weight", "*out_conv.weight"],
        lacks: &[],
    },
    Known {
        network: "Edm2UNet: EDM2's UNet",
        has: &[
            "*emb_fourier.freqs",
            "*emb_noise.weight",
            "*_conv.weight",
            "*out_gain",
        ],
        lacks: &[],
    },
    Known {
        network: "UNet2d of advect-diffusers: UNet2DModel",
        has: &[
            "conv_in.weight",
            "time_embedding.linear_1.weight",
            "down_blocks.0.resnets.0.conv1.weight",
            "conv_norm_out.weight",
        ],
        lacks: &["attn2", "add_embedding", "temp_conv"],
    },
    Known {
        network: "UNet2DConditionModel of diffusers, which is not supported",
        has: &[
            "conv_in.weight",
            "time_embedding.linear_1.weight",
            "*attn2.to_k.weight",
        ],
        lacks: &[],
    },
    Known {
        network: "UNet1DModel of diffusers",
        has: &[
            "down_blocks.0.resnets.0.conv_in.conv1d.weight",
            "down_blocks.0.resnets.0.time_emb.weight",
        ],
        lacks: &[],
    },
    Known {
        network: "DiTTransformer2DModel of diffusers",
        has: &[
            "pos_embed.proj.weight",
            "transformer_blocks.0.attn1.to_q.weight",
            "proj_out_1.weight",
            "proj_out_2.weight",
        ],
        lacks: &["attn2"],
    },
    Known {
        network: "AutoencoderKL of diffusers",
        has: &[
            "encoder.conv_in.weight",
            "encoder.mid_block.resnets.0.conv1.weight",
            "decoder.conv_out.weight",
        ],
        lacks: &["quantize.embedding"],
    },
];

/// What is put before names by those who train in parallel, compile or wrap.
const PREFIXES: [&str; 5] = ["", "module.", "_orig_mod.", "model.", "module.model."];

/// The networks that have all of their names among these, perhaps behind a prefix.
pub(crate) fn fitting(names: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for known in &KNOWN {
        let prefix = PREFIXES.iter().find(|prefix| {
            let has = |pattern: &&str| match pattern.strip_prefix('*') {
                Some(end) => names.iter().any(|name| name.ends_with(end)),
                None => names.contains(&&*format!("{prefix}{pattern}")),
            };
            known.has.iter().all(has)
        });
        let other = |part: &&str| names.iter().any(|name| name.contains(part));
        if let Some(prefix) = prefix.filter(|_| !known.lacks.iter().any(other)) {
            found.push(match prefix.is_empty() {
                true => known.network.to_string(),
                false => format!("{}, .without_prefix({prefix:?})", known.network),
            });
        }
    }
    found
}
