@echo off
rem datapath.exchange: this makes the rules of cas1. Run it there as an administrator. cas1-undo.cmd takes it back.
rem Windows Server 2012r2, roles client_access, state enforced, scope documented, encryption as_documented, plan 38a4811ae33d.
rem It first saves the whole policy of the firewall as cas1-before.wfw beside itself, because how the profiles were set cannot be known before.
rem It ends at the first line that fails, with code 1, and before the profiles are touched where that was a rule. It does not run twice.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if exist "%~dp0cas1-before.wfw" (echo cas1.cmd has run already. Run cas1-undo.cmd first.& exit /b 3)
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange " >nul
if not errorlevel 1 (echo This host has rules of datapath.exchange already. Remove them first.& exit /b 3)
"%T%\netsh.exe" advfirewall export "%~dp0cas1-before.wfw" || (echo DATAPATH-FAILED 1& exit /b 1)
if not exist "%~dp0cas1-before.wfw" (echo The policy was not saved. Nothing was changed.& exit /b 4)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in management 50aecdfd" dir=in action=allow description="management" profile=any protocol=tcp localport=22,5985-5986 remoteip=192.0.2.250 || (echo DATAPATH-FAILED 2& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in autodiscover a2b93b8e" dir=in action=allow description="autodiscover availability-service outlook-oab-web um-web-service" profile=any protocol=tcp localport=80,443 remoteip=198.51.100.0/26 || (echo DATAPATH-FAILED 3& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in autodiscover 3fbce8ab" dir=in action=allow description="autodiscover availability-service outlook-web-access um-web-service" profile=any protocol=tcp localport=80,443 remoteip=0.0.0.0-255.255.255.255 || (echo DATAPATH-FAILED 4& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in availability-service db2eba26" dir=in action=allow description="availability-service" profile=any protocol=tcp localport=80,443 remoteip=192.0.2.31,192.0.2.151 || (echo DATAPATH-FAILED 5& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in cas-to-cas-activesync d0991275" dir=in action=allow description="cas-to-cas-activesync cas-to-cas-owa" profile=any protocol=tcp localport=80,443 remoteip=192.0.2.151 || (echo DATAPATH-FAILED 6& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in remote-desktop adc02d37" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=192.0.2.250 || (echo DATAPATH-FAILED 7& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in client-access-mailbox-same-site 021b04ae" dir=in action=allow description="client-access-mailbox-same-site" profile=any protocol=any remoteip=192.0.2.21-192.0.2.22,198.51.100.241-198.51.100.242 || (echo DATAPATH-FAILED 8& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 9& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile logging droppedconnections enable || (echo DATAPATH-FAILED 10& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile state on || (echo DATAPATH-FAILED 11& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 12& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile logging droppedconnections enable || (echo DATAPATH-FAILED 13& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile state on || (echo DATAPATH-FAILED 14& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 15& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile logging droppedconnections enable || (echo DATAPATH-FAILED 16& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile state on || (echo DATAPATH-FAILED 17& exit /b 1)
echo DATAPATH-DONE
exit /b 0
