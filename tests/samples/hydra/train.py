import logging, os, hydra, torch
log = logging.getLogger(__name__)
@hydra.main(version_base=None, config_path='conf', config_name='config')
def main(cfg):
    out = hydra.core.hydra_config.HydraConfig.get().runtime.output_dir
    for epoch in range(cfg.epochs):
        auc = 0.5 + cfg.optimizer.lr + epoch / 100
        log.info('Epoch %d: train_loss=%.4f val_auc=%.4f', epoch, 1 - auc, auc)
        state = {'w': torch.full((2, 2), cfg.optimizer.lr + epoch)}
        torch.save(state, os.path.join(out, 'best.pt'))
main()
